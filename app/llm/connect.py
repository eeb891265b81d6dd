"""The text model the settings ask for."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from openai.types.chat import ChatCompletion
from openai.types.responses import Response

from app.config import Settings
from app.llm.chat_completions import ChatModel, Quirks
from app.llm.connection import TextConnection
from app.llm.model import TextModel
from app.llm.responses_api import ResponsesModel


@asynccontextmanager
async def text_model(settings: Settings) -> AsyncGenerator[TextModel]:
    """Open the connection; nothing is sent yet.

    The SDK builds its types when the first answer comes, which takes up to a second; in a thread of its own it
    does not keep living calls waiting.
    """
    answer = Response if settings.text_api == "responses" else ChatCompletion
    await asyncio.to_thread(answer.model_rebuild)
    async with TextConnection(
        settings.text_base_url, settings.text_key, concurrency=settings.text_concurrency
    ) as connection:
        if settings.text_api == "responses":
            yield ResponsesModel(connection)
        else:
            yield ChatModel(connection, Quirks(**dict.fromkeys(settings.quirks, True)))
