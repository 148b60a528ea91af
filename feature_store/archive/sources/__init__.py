"""What the archive knows of each source of facts: how fresh it is, and what its terms allow."""
