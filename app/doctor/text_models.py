"""Whether the text models answer: address, key and names, by the free listing of models."""

import logging

import openai

from app.config import Settings

TIMEOUT_S = 10.0


async def text_model_problems(settings: Settings) -> tuple[str, str]:
    """(severity, sentence) about TEXT_BASE_URL, its key, TEXT_MODEL and ANALYSIS_MODEL. Costs nothing."""
    url = settings.text_base_url
    logging.getLogger("openai").setLevel(logging.WARNING)  # at debug level it writes whole bodies
    wanted = {"TEXT_MODEL": settings.text_model}
    if settings.analysis == "model":
        wanted["ANALYSIS_MODEL"] = settings.analysis_model
    try:
        async with openai.AsyncOpenAI(
            base_url=url, api_key=settings.text_key or "none", max_retries=0, timeout=TIMEOUT_S
        ) as client:
            listed = {one.id async for one in client.models.list()}
    except openai.AuthenticationError:
        return "fail", f"{url} refused the key; check TEXT_API_KEY or OPENAI_API_KEY"
    except openai.NotFoundError:
        return "warn", f"{url} answers but lists no models; if calls are not analyzed check TEXT_BASE_URL"
    except openai.OpenAIError as error:
        return (
            "fail",
            f"{url} does not answer ({type(error).__name__}); check TEXT_BASE_URL, or set ANALYSIS=rules",
        )
    missing = [f"{key} {name}" for key, name in wanted.items() if name not in listed]
    if missing:
        return "warn", f"{url} does not list {' and '.join(missing)}; set a model it has"
    return "ok", f"{', '.join(wanted.values())} at {url}"
