"""Options that commands which speak to the HTTP API share."""

from typing import Annotated

import typer

ApiUrl = Annotated[str, typer.Option("--api", envvar="TOUCHLINE_API_URL", help="Where the API listens.")]
ApiKey = Annotated[str | None, typer.Option("--key", envvar="TOUCHLINE_API_KEY", help="API key, where keys are asked for.")]
API_URL = "http://127.0.0.1:8700"
