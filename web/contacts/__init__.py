"""The pages "Contacts" and "Do not call", and imports of lists for both."""
