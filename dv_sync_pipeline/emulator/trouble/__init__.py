"""What makes an environment behave like one under load, or worse."""
