"""How good a recipe's forecasts are: walking forward, scores beside yardsticks, betting on past games, importance.

Nothing here writes to a database or to MLflow, and every forecast comes from a model fitted on earlier games only.
``walk_forward.walk_forward`` and ``scores.evaluate`` are for runs; ``backtest`` and ``betting_backtest`` for commands.
"""
