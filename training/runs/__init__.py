"""Trainings and experiments from the first fact to the run in MLflow: order of steps, data warnings, records, cards.

No arithmetic of models or scores belongs here, and no decision about champions.
``train.train`` makes and registers a model, ``experiment.experiment`` tries a recipe, ``experiment.compare`` compares.
"""
