"""The routes, one module per subject."""

from fastapi import APIRouter

from serving.api.routes import (
    admin,
    games,
    matchups,
    models,
    movement,
    operations,
    parlays,
    predictions,
    prices,
    ranking,
    reference,
    system,
    value,
)

ROUTERS: tuple[APIRouter, ...] = (
    predictions.router,
    ranking.router,
    games.router,
    matchups.router,
    prices.router,
    parlays.router,
    value.router,
    movement.router,
    models.router,
    admin.router,
    system.router,
    operations.router,
    reference.router,
)
