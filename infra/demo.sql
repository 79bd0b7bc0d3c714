SELECT item_id, locale, text_labelled FROM published_product_description ORDER BY item_id, locale LIMIT 4
SELECT state, reason, count(*) AS requests FROM outcomes GROUP BY ALL ORDER BY requests DESC
SELECT door, reason, raw FROM quarantine ORDER BY door, number
