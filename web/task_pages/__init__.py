"""The pages "Tasks": the list with its filters, and one task with its time line and what people may change."""
