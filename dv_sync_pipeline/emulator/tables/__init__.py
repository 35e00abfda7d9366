"""What tables are: their definitions, and those that every environment has."""
