"""Small files as shops export them, made for a test: nobody tidied them."""

import csv
import json
from pathlib import Path

KINDS = ("Bowl", "Vase", "Plate", "Cup", "Jug", "Tray", "Dish", "Mug")
COLOURS = ("Sand", "Moss", "Slate", "Rust", "Ivory", "Plum")
CLAYS = ("stoneware", "porcelain", "earthenware", "terracotta", "bone china")
SHAPES = ("round", "oval", "square", "fluted", "ribbed", "dimpled", "tapered")
PLACES = ("kitchen shelf", "dining table", "garden terrace", "hallway", "breakfast tray", "window sill")
SHOPIFY = (
    "Handle", "Title", "Body (HTML)", "Vendor", "Type", "Tags", "Published", "Option1 Name", "Option1 Value",
    "Variant SKU", "Variant Price", "Variant Inventory Qty", "Image Src", "SEO Title", "Status",
)  # fmt: skip
ZH_KINDS, ZH_COLOURS, ZH_STYLES = (
    ("裙", "裤", "上衣", "外套"),
    ("黑色", "白色", "藏青色", "米色"),
    ("简约", "复古", "休闲"),
)


def body(place: int) -> str:
    """A description of its own for every product."""
    kind, colour = KINDS[place % 8], COLOURS[place % 6]
    return (
        f"A {SHAPES[place % 7]} {kind.lower()} thrown in {CLAYS[place % 5]} and glazed in {colour.lower()}, "
        f"made for the {PLACES[place // 8 % 6]}. The rim is finished by hand, and the foot keeps "
        f"{KINDS[place // 6 % 8]} number {word(place)} steady."
    )


def word(number: int) -> str:
    """A number as letters: texts of their own without digits."""
    return "".join("abcdefghij"[int(digit)] for digit in f"{number:03d}")


def shopify_export(path: Path, products: int = 60) -> Path:
    """One product on three lines, HTML bodies, most columns useless."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, SHOPIFY)
        writer.writeheader()
        for place in range(products):
            writer.writerows(_lines_of(place))
    return path


def _lines_of(place: int) -> list[dict[str, str]]:
    handle = f"piece-{word(place)}"
    first = {
        "Handle": handle,
        "Title": f"{COLOURS[place % 6]} {KINDS[place % 8]} {word(place)}",
        "Body (HTML)": f"<p>{body(place)}</p><br>\n<ul><li>Dishwasher &amp; oven safe</li></ul>",
        "Vendor": f"Kiln {place % 3}",
        "Type": KINDS[place % 8],
        "Tags": "clay",
        "Published": "true",
        "Option1 Name": "Size",
        "Option1 Value": "Small",
        "Variant SKU": f"{place:06d}",
        "Variant Price": "19.00",
        "Variant Inventory Qty": str(place),
        "Image Src": f"https://cdn.example.com/{handle}.jpg",
        "Status": "active",
    }
    others = [{"Handle": handle, "Option1 Value": size, "Variant Price": "29.00"} for size in ("Medium", "Large")]
    return [first, *others]


def pairs_jsonl(path: Path, rows: int = 60) -> Path:
    """Chinese copy with attributes as lists of pairs; names repeat, and texts hold placeholders."""
    lines = []
    for place in range(rows):
        kind, colour, style = ZH_KINDS[place % 4], ZH_COLOURS[place // 4 % 4], ZH_STYLES[place % 3]
        pairs = [
            ["类型", kind],
            ["颜色", colour],
            ["风格", style],
            ["图案", "条纹"],
            ["图案", "撞色"],
            ["编码", word(place)],
        ]
        mark = "<UNK>" if place % 10 == 9 else "设计"
        said = f"{word(place)}款穿着舒适自在，日常出行轻松搭配，展现独特气质"
        text = f"这款{colour}的{kind}采用{style}{mark}，条纹与撞色相互映衬，{said}。"
        row = {"id": f"zh-{place}", "attributes": json.dumps(pairs, ensure_ascii=False), "description": text}
        lines.append(json.dumps(row, ensure_ascii=False))
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def gb18030_csv(path: Path, rows: int = 60) -> Path:
    """A spreadsheet from China: semicolons, GB18030, Chinese headers, codes that begin with zero."""
    lines = ["商品编号;商品名称;分类;颜色;价格;商品描述"]
    for place in range(rows):
        kind, colour = ZH_KINDS[place % 4], ZH_COLOURS[place // 4 % 4]
        said = f"{word(place)}款细节处处用心，适合日常通勤与周末出行，搭配轻松"
        text = f"这款{colour}的{kind}剪裁利落，面料柔软亲肤，{said}。"
        lines.append(f"{place:08d};{colour}{kind}{word(place)};{kind};{colour};{place + 99}.00;{text}")
    path.write_bytes("\r\n".join(lines).encode("gb18030"))
    return path


def plain_csv(path: Path, rows: int = 60) -> Path:
    """Variants that share a text, two languages, placeholders, a mixed column."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("sku", "style_code", "name", "colour", "width_cm", "stock_note", "text_en", "text_zh"))
        for place in range(rows):
            model = place // 3
            said = "手工拉坯而成，釉面温润，适合日常使用，也适合作为礼物送给家人朋友"
            zh = f"这款{ZH_COLOURS[model % 4]}的陶瓷{word(model)}{said}。"
            note = "unknown" if place % 20 == 0 else str(place)
            name, colour = f"{KINDS[model % 8]} {word(model)}", COLOURS[place % 6]
            writer.writerow((f"0{place:05d}", f"M{model:03d}", name, colour, 10 + model, note, body(model), zh))
    return path
