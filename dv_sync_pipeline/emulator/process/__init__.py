"""The process around the environments: ports, certificates, tokens, files."""
