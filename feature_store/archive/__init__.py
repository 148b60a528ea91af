"""Facts with two clocks, written once: games, results, quotes, and the change log and quarantine beside them.

Nothing is updated or deleted, and no source or feature is known here. The interface is ``store`` (``record`` and
``load``, used as ``from feature_store.archive import store as archive``) and ``queries`` for smaller questions.
"""
