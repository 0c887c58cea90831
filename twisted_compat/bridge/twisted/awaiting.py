as_future = as_deferred = enable_await = None
