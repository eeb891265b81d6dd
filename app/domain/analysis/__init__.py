"""What is made of an ended call: a text model's judgement, checked against the transcript, becomes a decision."""
