"""CSV archives of finished games, in our columns or in a layout that a mapping file describes.

No network and no database of others may enter. The interface is ``backfill.backfill`` with
``mapping_file.find_mapping``; ``published_seasons`` also reads single files with ``reader.read_csv``.
"""
