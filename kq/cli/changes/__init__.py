"""What changing commands share: asking before deleting, plans in files, and what is said about each thing changed."""
