/** What generated clients are made of; import errors, options and `Client` from here. */
export * from "./client.js";
export * from "./codecs.js";
export * from "./errors.js";
