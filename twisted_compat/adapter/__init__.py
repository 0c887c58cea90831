"""The adapter: an asyncio loop, wrapped as a reactor."""
