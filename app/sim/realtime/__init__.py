"""SimRealtime: the OpenAI Realtime API (GA form, WebSocket) played strictly, its minds scripted or by rule."""
