"""A model as files: how a bundle is written, verified, read, tried in a process of its own, and fetched.

Nothing parses a byte before ``files`` has verified it, and nothing here decides which version is champion.
``store.BundleStore.open_version`` opens a registered version, ``contents.write_bundle`` makes a new bundle.
"""
