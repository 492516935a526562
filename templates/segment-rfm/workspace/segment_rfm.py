import marimo

__generated_with = "0.25.2"
app = marimo.App(
    width="medium",
    app_title="Customer segments / 顧客セグメント",
    sql_output="native",
)


@app.cell(hide_code=True)
def _():
    # Connect: core (read-only) and lab
    import datetime
    import json

    import duckdb
    import marimo as mo
    import rfm
    import sandbox_kit

    def show(answer):
        rows = answer.limit(5000).fetchall()
        return mo.ui.table(
            [dict(zip(answer.columns, row, strict=True)) for row in rows],
            selection=None,
            show_column_summaries=False,
            show_data_types=False,
        )

    # Answers of SQL cells become tables; marimo's own way would need a data frame library.
    duckdb.DuckDBPyRelation._display_ = show

    con = sandbox_kit.connect()
    parameters = sandbox_kit.parameters()
    first_day, last_day = rfm.days(con)
    return con, datetime, first_day, json, last_day, mo, parameters, rfm


@app.cell(hide_code=True)
def _(mo):
    mo.md("""
    # Customer segments　顧客セグメント

    Who buys lately, often and much, and who has gone quiet? Every customer is scored by
    **recency, frequency and value** (RFM) and put into one of six segments.

    最近買った人、何度も買う人、多く買う人、離れた人は誰か。すべての顧客を
    **最終購入日・購入頻度・購入金額**（RFM）で採点し、6つのセグメントに分けます。
    """)
    return


@app.cell(hide_code=True)
def _(datetime, first_day, last_day, mo, parameters, rfm):
    # The three choices
    initial = rfm.choose(parameters, last_day)
    as_of = mo.ui.date(
        value=initial.as_of,
        start=min(first_day, initial.as_of),
        stop=max(last_day, initial.as_of) + datetime.timedelta(days=365),
        label="As of　基準日",
    )
    window_days = mo.ui.slider(
        30,
        730,
        value=initial.window_days,
        debounce=True,
        show_value=True,
        label="Window (days)　対象日数",
    )
    bins = mo.ui.slider(
        3, 5, value=initial.bins, debounce=True, show_value=True, label="Scores　段階"
    )
    mo.hstack([as_of, window_days, bins], justify="start", gap=1.5, wrap=True)
    return as_of, bins, window_days


@app.cell(hide_code=True)
def _(as_of, bins, con, mo, rfm, window_days):
    # Score every customer and replace lab.segments
    choice = rfm.Choice(as_of.value, window_days.value, bins.value)
    try:
        customers = rfm.fill(con, choice)
    except ValueError as reason:
        # A sentence instead of a traceback when the choice leaves nothing to measure.
        mo.stop(True, mo.callout(str(reason), kind="warn"))
    rows = rfm.summary(con)
    revenue = sum(row["revenue"] for row in rows)
    # Cells that ask `segmented` run after, and again after each change of, lab.segments.
    segmented = con
    return choice, customers, revenue, rows, segmented


@app.cell(hide_code=True)
def _(choice, customers, mo, revenue, rows):
    # The headline numbers
    top = rows[0]
    mo.hstack(
        [
            mo.stat(f"{customers:,}", label="Customers　顧客数", bordered=True),
            mo.stat(f"{revenue:,.0f}", label="Revenue　売上", bordered=True),
            mo.stat(
                f"{top['revenue_percent']:.0f} %",
                label=f"of revenue: {top['segment']}　売上比",
                bordered=True,
            ),
            mo.stat(f"{choice.as_of}", label=f"since {choice.first}　期間", bordered=True),
        ],
        widths="equal",
        gap=1,
    )
    return


@app.cell(hide_code=True)
def _(mo, rfm, rows):
    # The table of segments
    words = {segment.id: segment for segment in rfm.SEGMENTS}
    heading = (
        "## Segments　セグメント一覧\n\n"
        "| Segment<br>セグメント | Customers<br>顧客数 | Share<br>割合 "
        "| Days since last<br>経過日数 "
        "| Purchase days<br>購入日数 | Value each<br>平均金額 | Revenue<br>売上 | Share<br>割合 |\n"
        "|:--|--:|--:|--:|--:|--:|--:|--:|\n"
    )
    mo.md(
        heading
        + "\n".join(
            f"| **{words[row['segment']].en}**　{words[row['segment']].ja} "
            f"| {row['customers']:,} | {row['customers_percent']:.1f} % "
            f"| {row['recency_days']:.0f} | {row['frequency']:.1f} | {row['value']:,.2f} "
            f"| {row['revenue']:,.0f} | {row['revenue_percent']:.1f} % |"
            for row in rows
        )
    )
    return (words,)


@app.cell(hide_code=True)
def _(json, mo, rows, words):
    # The chart: Vega-Lite as plain data, drawn by the page without a chart library
    class Chart:
        def __init__(self, spec):
            self.spec = spec

        def _mime_(self):
            return "application/vnd.vegalite.v6+json", json.dumps(self.spec)

    shares = [
        {
            "segment": f"{words[row['segment']].en} {words[row['segment']].ja}",
            "share": label,
            "percent": round(row[key], 1),
        }
        for row in rows
        for label, key in (
            ("Customers 顧客", "customers_percent"),
            ("Revenue 売上", "revenue_percent"),
        )
    ]
    order = list(dict.fromkeys(share["segment"] for share in shares))
    chart = Chart(
        {
            "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
            "data": {"values": shares},
            "width": "container",
            "height": {"step": 18},
            "encoding": {
                "y": {"field": "segment", "sort": order, "title": None},
                "yOffset": {"field": "share"},
                "x": {
                    "field": "percent",
                    "type": "quantitative",
                    "title": "%",
                    "axis": {"tickCount": 6, "gridColor": "#eeeeee"},
                },
            },
            "layer": [
                {
                    "mark": {"type": "bar", "cornerRadiusEnd": 3, "tooltip": True},
                    "encoding": {
                        "color": {
                            "field": "share",
                            "title": None,
                            "scale": {"range": ["#9db4c8", "#1f6f8b"]},
                            "legend": {"orient": "top"},
                        }
                    },
                },
                {
                    "mark": {"type": "text", "align": "left", "dx": 4, "fontSize": 11},
                    "encoding": {"text": {"field": "percent", "format": ".1f"}},
                },
            ],
            "config": {"view": {"stroke": None}, "axis": {"labelFontSize": 13, "labelLimit": 220}},
        }
    )
    mo.vstack([mo.md("## Who brings the revenue?　売上は誰から？"), chart])
    return


@app.cell(hide_code=True)
def _(mo, rfm):
    # The legend of segments
    mo.md(
        "## How to read a segment　セグメントの読み方\n\n"
        "| Segment | セグメント | Who they are | どんな顧客か |\n|:--|:--|:--|:--|\n"
        + "\n".join(
            f"| **{s.en}** `{s.id}` | **{s.ja}** | {s.meaning_en} | {s.meaning_ja} |"
            for s in rfm.SEGMENTS
        )
    )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md("""
    ## Your own question　自由に調べる

    Every customer's segment is in `lab.segments`; masked core data is in `core.customers` and
    `core.purchases` (read-only). Change the SQL below and run it with **Ctrl+Enter**.

    顧客ごとの結果は `lab.segments` にあります。マスク済みの基幹データは `core.customers` と
    `core.purchases`（読み取り専用）です。下のSQLを書き換え、**Ctrl+Enter** で実行します。
    """)
    return


@app.cell
def _(mo, segmented):
    _answer = mo.sql(
        """
        SELECT c.prefecture, s.segment, count(*) AS customers, round(sum(s.value)) AS revenue
        FROM lab.segments s
        JOIN core.customers c USING (customer_id)
        GROUP BY ALL
        ORDER BY revenue DESC
        """,
        engine=segmented,
    )
    return


if __name__ == "__main__":
    app.run()
