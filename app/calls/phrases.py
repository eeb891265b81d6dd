"""What the model is asked to say when code, not the talk itself, decides that something must be said (pure)."""

ASK_IF_PRESENT = "The callee has been silent. Ask in one short sentence whether they are still there."
SAY_GOODBYE = "Say a short, friendly goodbye in one sentence. Do not ask anything."
SAY_GOODBYE_SILENT = "Nobody is answering. Say in one sentence that you will end the call now, and goodbye."
SAY_GOODBYE_TIME = "The time for this call is over. Apologize briefly, say goodbye in one sentence."
