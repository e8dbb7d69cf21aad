"""A request with a token, tried again with growing pauses; and a second job that differs in one thing."""

from __future__ import annotations

from dkronpy import Bearer, Http, Job, Retry, every, secret

prices = Job(
    name="refresh-prices",
    schedule=every("15m"),
    timeout="45s",
    retry=Retry(5, delay="3s", cap="1m"),
    run=Http(
        url="https://shop.example.com/api/prices/refresh",
        method="POST",
        json={"currencies": ["EUR", "USD"]},
        auth=Bearer(secret("shop/token")),
        expect="2xx",
    ),
)
prices.but(name="refresh-prices-nightly", schedule="0 0 3 * * *", timeout="10m")
