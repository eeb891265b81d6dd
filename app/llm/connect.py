"""The text model the settings ask for."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from openai import AsyncOpenAI
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

    The SDK loads a resource when it is first used and builds its types when the first answer comes, which takes up
    to a second; in a thread of its own it does not keep living calls waiting.
    """
    async with TextConnection(
        settings.text_base_url, settings.text_key, concurrency=settings.text_concurrency
    ) as connection:
        await asyncio.to_thread(_load_sdk, connection.client, settings.text_api)
        if settings.text_api == "responses":
            yield ResponsesModel(connection)
        else:
            yield ChatModel(connection, Quirks(**dict.fromkeys(settings.quirks, True)))


def _load_sdk(client: AsyncOpenAI, api: str) -> None:
    if api == "responses":
        _ = client.responses
        Response.model_rebuild()
    else:
        _ = client.chat.completions
        ChatCompletion.model_rebuild()
