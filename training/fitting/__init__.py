"""Fitting a forecaster by a recipe: learners, blend, calibration, intervals, and the search for parameters.

Only games handed in are learnt from: no database, no MLflow, no choice of what is held out.
``fit.learn`` and ``fit.assemble`` make a forecaster, ``recipe.RECIPES`` are the recipes, ``tuning.tune_recipe`` tunes.
"""
