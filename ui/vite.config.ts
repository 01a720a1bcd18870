import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

// `make ui` serves the sources and passes requests on to a gateway: OBELISK_URL, http://127.0.0.1:8080 without it.
const gateway = process.env["OBELISK_URL"] ?? "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [svelte()],
  base: "./",
  build: {
    outDir: "../gateway/assets/ui",
    emptyOutDir: true,
    assetsDir: "ui",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2023",
  },
  server: {
    proxy: Object.fromEntries(["/v1", "/openapi.json", "/docs", "/readyz"].map((path) => [path, { target: gateway, changeOrigin: true }])),
  },
  test: { environment: "jsdom", include: ["tests/**/*.test.ts"] },
});
