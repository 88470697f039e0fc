"""How does what Terraform made become a configuration? A file for reading its outputs, and one that writes."""
