"""All that the gateway and the command line may ask of the runtime."""
