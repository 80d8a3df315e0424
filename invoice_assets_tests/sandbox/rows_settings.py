"""Rows of the price list and the tax settings: items and taxes.

A row function returns the JSON text that goes over the wire. People are in `rows_people.py`, documents in
`rows_sales.py` and `rows_money.py`.
"""

from __future__ import annotations

from invoice_assets_tests.sandbox.wire import quote, render_cents
from invoice_assets_tests.sandbox.world import RESOURCE_CODES, World

TAX_PERCENTAGES = ("0", "5", "8.25", "12.5", "18", "19", "20", "7.375")
TAX_TYPES = ("tax", "tax", "tax", "compound_tax", "tax_group")
ITEM_NAMES = ("Café de Olla", 'Bolt 1/4" zinc', "Consulting hour", "Licence (annual)", "Gießkanne", "ケーブル")
UNITS = ("", "pcs", "h", "kg", "")
DESCRIPTION = quote('Zwei Zeilen:\ngrößer, "besser"')
NOTHING = '""'
PRODUCT_TYPES = ("goods", "service", "digital_service")


def tax_percentage(index: int, *, as_integer: bool) -> str:
    """Return a tax's percentage as a JSON number; a whole one is an integer or not, as the API pleases."""
    text = TAX_PERCENTAGES[index % len(TAX_PERCENTAGES)]
    return text if "." in text or as_integer else f"{text}.00"


def tax_name(index: int) -> str:
    """Return the unique name of a tax."""
    return f"Añadido {tax_percentage(index, as_integer=True)}% #{index + 1:04d}"


def is_inactive_tax(index: int) -> bool:
    """Return whether the tax at this index has been retired: the taxes list hides it unless it is asked for all."""
    return index % 10 == 7


def tax_row(world: World, index: int) -> str:
    """Return the wire text of one tax; the keys of tax authorities depend on the country, so only some have them."""
    bits = world.draw(RESOURCE_CODES["taxes"], index)
    modified = world.modified_position(world.position(index, world.counts.get("taxes", 0)), bits)
    is_inactive = is_inactive_tax(index)
    by_country = ""
    if index % 4 == 1:
        by_country = f',"tax_authority_id":"98200000{index:07d}","tax_authority_name":"Finanzamt Köln"'
    if index % 4 == 3:
        by_country = ',"is_value_added":true'
    return (
        f'{{"tax_id":"{world.key("taxes", index)}","tax_name":{quote(tax_name(index))},'
        f'"tax_percentage":{tax_percentage(index, as_integer=index % 2 == 0)},'
        f'"tax_type":"{TAX_TYPES[index % len(TAX_TYPES)]}","tax_specific_type":"","tax_specification":"",'
        f'"is_inactive":{"true" if is_inactive else "false"},"is_default_tax":{"true" if index == 0 else "false"},'
        f'"is_editable":{"false" if index % 6 == 5 else "true"},"diff_rate_reason":"",'
        f'"start_date":"{world.date_text(-365) if index % 5 == 0 else ""}",'
        f'"end_date":"{world.date_text(0) if is_inactive else ""}",'
        f'"status":"{"Inactive" if is_inactive else "Active"}",'
        f'"last_modified_time":"{world.stamp(modified)}"{by_country}}}'
    )


def item_row(world: World, index: int) -> str:
    """Return the wire text of one item; its tax, if any, is one of the taxes."""
    bits = world.draw(RESOURCE_CODES["items"], index)
    created = world.position(index, world.counts.get("items", 0))
    name = quote(f"{ITEM_NAMES[index % len(ITEM_NAMES)]} {index + 1}")
    is_linked = bits >> 20 & 7 == 0
    has_image = bits >> 24 & 7 == 0
    return (
        f'{{"item_id":"{world.key("items", index)}","name":{name},"item_name":{name},'
        f'"unit":"{UNITS[index % len(UNITS)]}","status":"{"inactive" if bits % 11 == 0 else "active"}",'
        f'"source":"{"csv" if bits & 1 else "user"}","is_linked_with_zohocrm":{"true" if is_linked else "false"},'
        f'"zcrm_product_id":"{4815000000900000000 + index if is_linked else ""}",'
        f'"description":{DESCRIPTION if bits & 6 == 0 else NOTHING},'
        f'"rate":{render_cents((bits >> 8) % 1_000_000)},{_item_tax(world, index, bits)},'
        f'"product_type":"{PRODUCT_TYPES[index % len(PRODUCT_TYPES)]}",'
        f'"has_attachment":{"true" if has_image else "false"},"sku":"{f"SKU-{index + 1:05d}" if bits & 8 else ""}",'
        f'"image_name":"{f"item{index}.png" if has_image else ""}","image_type":"{"png" if has_image else ""}",'
        f'"image_document_id":"{4815000000800000000 + index if has_image else ""}",'
        f'"created_time":"{world.stamp(created)}",'
        f'"last_modified_time":"{world.stamp(world.modified_position(created, bits >> 5))}"}}'
    )


def _item_tax(world: World, index: int, bits: int) -> str:
    taxes = world.counts.get("taxes", 0)
    if not taxes or bits % 5 == 0:
        return '"tax_id":"","tax_name":"","tax_percentage":0'
    tax = index % taxes
    percentage = tax_percentage(tax, as_integer=bits >> 12 & 1 == 0)
    return f'"tax_id":"{world.key("taxes", tax)}","tax_name":{quote(tax_name(tax))},"tax_percentage":{percentage}'
