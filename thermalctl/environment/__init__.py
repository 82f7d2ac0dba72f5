"""Whether this machine is ready; looks at packages without importing them."""
