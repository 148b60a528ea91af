"""One module per group of commands; each command opens what it needs, calls one plain function and shows the result."""
