"""The command line; never imports asyncio or aiohttp on the common path."""
