"""How the emulator is reached: REST, gRPC and TLS."""
