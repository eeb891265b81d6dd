"""The pages of campaigns: the list, one campaign with its figures and reports, and what is behind each number."""
