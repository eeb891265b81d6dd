"""Forgets people: by number when somebody asks, and by itself when the days of what they said are over."""
