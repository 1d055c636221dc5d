"""Monitoring with real figures: metrics for Prometheus, probes, a log line for each request.

    pip install 'anylane[typed,metrics,health]'
    anylane run --app-dir docs/examples monitoring:app --backend asyncio

    curl -i http://127.0.0.1:8000/orders --json '{"item": "tea"}'    # 201
    curl -i http://127.0.0.1:8000/metrics    # 200: requests, latency by route, connections, bytes
    curl -i http://127.0.0.1:8000/health     # 200: memory, uptime, connections of this process
    curl -i -X POST http://127.0.0.1:8000/stock/down                 # 204
    curl -i http://127.0.0.1:8000/ready      # 503: while the stock is down

No figure is made up: the parts count what passes them, and ask the server and the system for the
rest.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from prometheus_client import Counter

from anylane import App, Broadcast, Context, HTTPError
from anylane.contrib import Health, Metrics
from anylane.middleware import AccessLog, RequestId, ServerTiming

ordered = Counter("shop_orders", "Orders that were taken.", ["item"])  # a figure of our own
news: Broadcast[str] = Broadcast()
metrics = Metrics()
metrics.watch(news, "orders")


async def check_stock() -> bool:
    return bool(app.state.stock)


app = App(errors="json")
# Outermost first: the log and the metrics see what the parts behind them answer.
app.use(RequestId(), order=-100)
app.use(AccessLog("json"), order=-100)
app.use(metrics, order=-100)
app.use(Health(checks={"stock": check_stock}), order=-100)
app.use(ServerTiming())


class Order(Struct):
    item: Literal["tea", "coffee"]


@app.on_startup
def open_stock() -> None:
    app.state.stock = True


@app.post("/stock/{state:up|down}")
async def set_stock(state: str) -> None:
    app.state.stock = state == "up"


@app.post("/orders", status=201)
async def order(ctx: Context, new: Order) -> Order:
    with ServerTiming.measure(ctx, "stock", "is there enough"):
        await ctx.sleep(0.01)  # stands for a query
        if not app.state.stock:
            raise HTTPError(503, "the stock does not answer", headers={"retry-after": "5"})
    ordered.labels(new.item).inc()
    news.send(new.item)
    return new


@app.get("/orders/live")
async def live(ctx: Context) -> None:
    with news.subscribe() as orders:
        async with ctx.event_stream(heartbeat=15) as events:
            async for item in orders:
                await events.send(item, event="order")


if __name__ == "__main__":
    app.run()
