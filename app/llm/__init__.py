"""Text models: one small interface, adapters for the Responses API and Chat Completions, and their jobs."""
