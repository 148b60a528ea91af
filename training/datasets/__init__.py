"""The games a model learns from: features, scores, consensus prices, and splits by date.

Nothing here fits or scores a model, and no value may be later than the moment it is used at.
``assembly.load_dataset`` reads a league's dataset, ``splits`` cuts it, ``betting_prices`` adds prices to bet at.
"""
