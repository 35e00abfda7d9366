"""HTTP: from a request to its handler and back."""
