"""The endpoints, one file per subject."""

from fastapi import APIRouter

from serving.routes import (
    admin,
    games,
    matchups,
    models,
    open_inference,
    operations,
    parlays,
    predictions,
    prices,
    ranking,
    reference,
    system,
)

ROUTERS: tuple[APIRouter, ...] = (
    predictions.router,
    ranking.router,
    games.router,
    matchups.router,
    prices.router,
    parlays.router,
    models.router,
    admin.router,
    open_inference.router,
    open_inference.probes,
    system.router,
    operations.router,
    reference.router,
)
