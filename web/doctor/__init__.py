"""The page "Doctor": what is wrong with this installation, looked at when somebody asks."""
