"""Speaking with the planner: one websocket of the page "Chat", the microphone up, speech and events down."""
