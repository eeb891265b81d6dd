"""Every setting of the program: name, default, meaning, unit. One name everywhere: `RING_TIMEOUT_S` in the
environment and `.env`, `ring_timeout_s` in `opendeep.toml`, where tables are only headings.
"""

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, StringConstraints, ValidationInfo, field_validator
from pydantic_settings import SettingsConfigDict

from app.config.process import ProcessSettings

Name = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z][0-9A-Za-z._-]{0,47}$")]
OPENAI_HOST = "api.openai.com"
TEXT_QUIRKS = ("max_tokens", "no_strict", "no_store", "no_stream_usage")
Port = Annotated[int, Field(ge=1, le=65535)]


class Settings(ProcessSettings):
    """All settings. Frozen; secrets are `SecretStr` and print as stars."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="ignore",
        env_ignore_empty=True,
        use_attribute_docstrings=True,
        env_file_encoding="utf-8",
    )

    app_test_mode: bool = False
    """True: every dial goes to APP_TEST_MODE_REDIRECT_NUMBER, one call at a time."""
    app_test_mode_redirect_number: str = ""
    """Your own phone, E.164 like +12025550123. Needed in test mode."""
    simulate: bool = False
    """True: simulated telephone exchange and speech model; nothing real is dialed, no key is needed."""
    max_concurrent_calls: int = Field(default=5, ge=1, le=500)
    """Calls at the same time, over all tenants."""
    allowed_countries: str = ""
    """ISO countries that may be called, separated by commas, like US,CA; empty: none, until somebody says so."""
    policy_packs: str = "us-strict,uk,eu,fr,de"
    """Calling-rule packs in force, separated by commas; `opendeep policy list` shows them. No pack, no call."""
    policy_packs_dir: str = ""
    """Directory of your own packs (*.toml); empty: those that come with the program."""
    number_calls_per_day: int = Field(default=3, ge=1, le=100)
    """Calls to one number in 24 hours, whatever the packs allow."""
    cost_reserve_usd_per_min: float = Field(default=0.30, ge=0, le=100)
    """US dollars a minute of talk may cost at most; budgets set this aside before a call is dialed."""

    node_name: Name = "main"
    """Name of this process in channel ids and leases; two processes never share one."""
    data_dir: Path = Path("data")
    """Directory of the database, recordings and sockets; simulated runs keep theirs in its folder `simulated`."""
    database_url: SecretStr = SecretStr("")
    """postgresql://user:password@host:port/database, shared by all engines; empty: SQLite in DATA_DIR."""
    redis_url: str = ""
    """redis://host:port/0 when web and engine are separate processes; empty: everything in one process."""
    command_key: SecretStr = SecretStr("")
    """Signs commands to calls on Redis: 32 characters or more, one for all processes. Needed with REDIS_URL."""

    ari_url: str = "http://127.0.0.1:8088/ari"
    """Asterisk's REST interface; ends in /ari."""
    ari_username: str = "opendeep"
    """User of ari.conf."""
    ari_password: SecretStr = SecretStr("")
    """Password of that user. Needed unless SIMULATE is on."""
    ari_app: str = Field(default="", pattern=r"^[0-9A-Za-z._-]{0,64}$", validate_default=True)
    """Stasis application; empty: opendeep-<NODE_NAME>. Two processes never share one."""
    ari_timeout_s: float = Field(default=5.0, ge=0.5, le=60)
    """Seconds one ARI request may take."""
    ari_events: Literal["dial_in", "asterisk_dials"] = "dial_in"
    """Who opens the event websocket; asterisk_dials (22.5 or later) loses no event while this process is away."""
    ari_listen_host: str = "127.0.0.1"
    """Address Asterisk dials when ARI_EVENTS is asterisk_dials; the path is /ari."""
    ari_listen_port: Port = 8765
    """Port of that address."""
    ari_listen_username: str = Field(default="asterisk", pattern=r"^[^:]+$")
    """Name Asterisk logs in with there, as in websocket_client.conf."""
    ari_listen_password: SecretStr = SecretStr("")
    """Password of that login. Needed when ARI_EVENTS is asterisk_dials, unless SIMULATE is on."""

    ari_peer_url: str = ""
    """Where other engines reach this Asterisk, to end calls if we die; empty: ARI_URL unless that is loopback."""
    peer_ari_logins: SecretStr = SecretStr("")
    """node=user:password, separated by blanks, for engines whose Asterisk does not take our ARI login."""

    trunk_endpoint: str = "PJSIP/{number}@opendeep-trunk"
    """Asterisk endpoint to dial; {number} stands exactly once for the number."""
    caller_id: str = Field(default="", pattern=r'^[^"\r\n;]{0,80}$')
    """Caller id shown to the callee, like +12025550100; empty: what the trunk is set to."""
    caller_id_owned: bool = False
    """True: CALLER_ID is a number of your own. Packs such as us-strict ask for it."""
    caller_id_reachable: bool = False
    """True: somebody or something answers when CALLER_ID is called back. Packs such as us-strict and uk ask
    for it.
    """
    company_name: str = Field(default="", max_length=200)
    """For whom is called, as the first sentence of a call says it; other tenants say their own name."""
    calls_per_second: float = Field(default=1.0, ge=0.01, le=200)
    """Calls the trunk may begin in a second, over all processes; ask your carrier."""
    ring_timeout_s: int = Field(default=40, ge=5, le=300)
    """Seconds a phone may ring."""
    transfer_ring_timeout_s: int = Field(default=25, ge=5, le=120)
    """Seconds the phone of somebody a call is transferred to may ring."""
    transfer_music: str = Field(default="", pattern=r"^[0-9A-Za-z._-]{0,64}$")
    """Class of Asterisk's music on hold for a callee who waits for a transfer; empty: a ringing tone."""
    max_call_duration_s: int = Field(default=600, ge=10, le=7200)
    """Seconds a talk may last; then the agent says goodbye."""
    no_input_s: float = Field(default=6.0, ge=2, le=60)
    """Seconds of silence after which the agent asks whether the callee is still there."""
    no_input_prompts: int = Field(default=2, ge=0, le=10)
    """How often it asks before it ends the call."""
    max_call_cost_usd: float = Field(default=0.0, ge=0, le=1000)
    """Model cost of one call, USD, at which the agent says goodbye; 0: no limit."""
    greet_after_silence_s: float = Field(default=2.0, ge=0.5, le=15)
    """Seconds an agent that waits for a hello waits before it greets."""
    turn_preset: Literal["natural", "phone", "noisy", "digits"] = "phone"
    """How agents take turns that name no preset: by meaning, by loudness, for noisy lines, for long numbers."""
    barge_in: Literal["server", "guarded"] = "server"
    """Who decides that the callee interrupts; guarded, for lines with echo: our gate that knows what we sent."""
    filler_clip: str = ""
    """WAV file (16 bit mono, 5 s at most) for a callee who waits, "one moment, please"; empty: two soft notes."""
    apology_clip: str = ""
    """WAV file for the end of a call whose model is gone, "sorry, goodbye"; empty: two falling notes."""
    max_attempts: int = Field(default=3, ge=1, le=20)
    """Attempts per task unless the task says otherwise."""
    callback_days: int = Field(default=14, ge=0, le=365)
    """Days after which a number we dialed is a stranger when it calls back; 0: nobody who calls is answered."""
    callback_unknown: Literal["busy", "apology"] = "busy"
    """What a stranger who calls gets: busy, or the dialplan's apology (opendeep-apology). Never the model."""
    callbacks_per_hour: int = Field(default=6, ge=1, le=1000)
    """Calls one number may make to us within an hour; everybody together may make MAX_CONCURRENT_CALLS times 20.
    """
    default_region: str = Field(default="", pattern=r"^([A-Z]{2})?$")
    """ISO country (US, GB, DE) for numbers written without country code; empty: such numbers are refused."""

    leg_codec: Literal["ulaw", "alaw", "g722"] = "ulaw"
    """Codec of the RTP leg to Asterisk."""
    rtp_bind_host: str = "127.0.0.1"
    """Address the RTP socket is bound to."""
    rtp_advertised_host: str = "127.0.0.1"
    """Address Asterisk sends RTP to; must reach RTP_BIND_HOST."""
    rtp_port: int = Field(default=0, ge=0, le=65535)
    """UDP port of the RTP socket; 0: any free one."""
    media_mode: Literal["process", "in_process"] = "process"
    """process: a media worker of its own, which outlives a restart of this one; in_process: for tests."""
    media_late_limit_ms: float = Field(default=15.0, ge=1, le=1000)
    """Audio that leaves this late (p99 of some seconds) means too many calls: no new one is dialed meanwhile."""
    resampler: Literal["polyphase", "soxr"] = "polyphase"
    """How G.722 and PCM legs are resampled; soxr is the slower reference."""
    answer_supervision: bool = True
    """True: each call tells who answered (person, machine, menu, music, fax); the model is silent to machines."""
    recording: bool = False
    """True: record both directions to WAV. Mind the law where you call."""

    openai_api_key: SecretStr = SecretStr("")
    """Key of the speech and text models. Needed unless SIMULATE is on."""
    realtime_url: str = "wss://api.openai.com/v1/realtime"
    """Websocket of the Realtime API."""
    realtime_model: str = "gpt-realtime-2.1"
    """Speech model."""
    transcription_model: str = "gpt-transcribe"
    """Model that writes down what the callee says."""
    realtime_audio: Literal["auto", "g711", "pcm"] = "auto"
    """auto: G.711 goes to the model as it is where the leg has it; pcm: for servers that only know PCM."""
    voice: str = "marin"
    """Voice of agents that name none."""
    text_base_url: str = "https://api.openai.com/v1"
    """Text models' API: OpenAI, Azure (.../openai/v1), vLLM, Ollama, LM Studio ..."""
    text_api_key: SecretStr = SecretStr("")
    """Key of that API; empty: OPENAI_API_KEY at OpenAI, none anywhere else."""
    text_api: Literal["responses", "chat"] = "responses"
    """Which of its two forms is spoken: Responses or Chat Completions."""
    text_quirks: str = ""
    """What a server for TEXT_API=chat lacks, by commas: max_tokens, no_strict, no_store, no_stream_usage."""
    text_model: str = Field(default="gpt-6.1-terra", min_length=1)
    """Model that plans and chats."""
    text_concurrency: int = Field(default=4, ge=1, le=64)
    """Questions to text models at the same time."""
    analysis: Literal["model", "rules"] = "model"
    """model: every talk is judged against its task by ANALYSIS_MODEL; rules: by outcome only, no model asked."""
    analysis_model: str = Field(default="gpt-6-luna", min_length=1)
    """Model that judges ended calls."""

    web_host: str = "127.0.0.1"
    """Address the console listens on. Keep it on loopback, or behind a proxy that speaks TLS."""
    web_port: Port = 8000
    """Port of the console."""
    web_allowed_hosts: str = ""
    """More host names the console is reached by, separated by commas; loopback names are always allowed."""

    @field_validator("ari_app")
    @classmethod
    def _name_app(cls, app: str, info: ValidationInfo) -> str:
        return app or f"opendeep-{info.data.get('node_name', 'main')}"

    @property
    def quirks(self) -> tuple[str, ...]:
        """Names in TEXT_QUIRKS."""
        return tuple(name for name in (part.strip() for part in self.text_quirks.split(",")) if name)

    @property
    def text_key(self) -> str:
        """The key text models are asked with: that of OpenAI goes to OpenAI only, never to another server."""
        own = self.text_api_key.get_secret_value()
        if own or urlsplit(self.text_base_url).hostname != OPENAI_HOST:
            return own
        return self.openai_api_key.get_secret_value()

    @property
    def home(self) -> Path:
        """Where this run keeps its things. Simulated tasks never lie in the database of real ones: a retry that a
        simulated call left behind would be dialed for real by the next run.
        """
        return self.data_dir / "simulated" if self.simulate else self.data_dir

    @property
    def recordings_dir(self) -> Path:
        """Where recordings are written."""
        return self.home / "recordings"

    @property
    def documents_folder(self) -> Path:
        """DOCUMENTS_DIR, read; simulated runs read the same documents."""
        return Path(self.documents_dir) if self.documents_dir else self.data_dir / "documents"

    @property
    def database_path(self) -> Path:
        """The SQLite file."""
        return self.home / "opendeep.db"

    @property
    def database_schema(self) -> str:
        """The schema in PostgreSQL; simulated tasks have one of their own, as they have a file of their own."""
        return "opendeep_simulated" if self.simulate else "opendeep"

    @property
    def runtime_dir(self) -> Path:
        """Sockets and pid files of the media worker."""
        return self.home / "run"

    @property
    def call_slots(self) -> int:
        """Calls at the same time; test mode makes it one."""
        return 1 if self.app_test_mode else self.max_concurrent_calls

    @property
    def countries(self) -> tuple[str, ...]:
        """ALLOWED_COUNTRIES, read."""
        return tuple(
            dict.fromkeys(part.strip().upper() for part in self.allowed_countries.split(",") if part.strip())
        )

    @property
    def pack_ids(self) -> tuple[str, ...]:
        """POLICY_PACKS, read."""
        return tuple(dict.fromkeys(part.strip() for part in self.policy_packs.split(",") if part.strip()))

    @property
    def allowed_hosts(self) -> frozenset[str]:
        """Host names, without port, that the console answers to."""
        more = (name.strip().lower() for name in self.web_allowed_hosts.split(","))
        every_interface = {"", "0.0.0.0", "::"}  # noqa: S104 - taken out: it names no host
        return frozenset({"127.0.0.1", "localhost", "[::1]", self.web_host.lower(), *more} - every_interface)


GROUPS = {
    "app_test_mode": "What may happen",
    "node_name": "This process",
    "ari_url": "Asterisk",
    "trunk_endpoint": "Calls",
    "leg_codec": "Media",
    "openai_api_key": "Models",
    "outside_tool_hosts": "Agents",
    "retention_recordings_days": "Keeping and erasing",
    "search_provider": "Planning",
    "web_host": "Console",
    "api_requests_per_minute": "Limits of the console",
    "scheduler_poll_s": "Scheduler and logs",
}
"""First setting of each group of `.env.example`, in the order of the groups."""
KEYS: tuple[str, ...] = tuple(name.upper() for name in Settings.model_fields)
