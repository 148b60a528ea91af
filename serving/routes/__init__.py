"""The endpoints, one file per subject."""

from fastapi import APIRouter

from serving.routes import games, matchups, models, operations, predictions, prices

ROUTERS: tuple[APIRouter, ...] = (
    predictions.router,
    games.router,
    matchups.router,
    prices.router,
    models.router,
    operations.router,
)
