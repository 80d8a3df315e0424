"""Rows of people and companies: users and contacts.

A row function returns the JSON text that goes over the wire. What a contact owes is worked out in `receivables.py`.
"""

from __future__ import annotations

from invoice_assets_tests.sandbox.receivables import outstanding_cents, unused_credit_cents
from invoice_assets_tests.sandbox.wire import quote, render_cents
from invoice_assets_tests.sandbox.world import FIRST_NAMES, LAST_NAMES, RESOURCE_CODES, World

USER_ROLES = ("admin", "staff", "staff", "timesheetstaff")
USER_STATUSES = ("active", "active", "inactive", "invited", "active", "deleted")
PAYMENT_TERMS = ((0, "Due on Receipt"), (15, "Net 15"), (30, "Net 30"), (-3, "Due end of next month"))
REGIONS = ("EMEA", "América Latina", "APAC")


def user_row(world: World, index: int) -> str:
    """Return the wire text of one user; several keys are absent on some rows."""
    role = USER_ROLES[index % len(USER_ROLES)]
    optional = ""
    if index % 3:
        optional += f',"mobile":"{f"+1 555 01{index % 100:02d}" if index % 3 == 1 else ""}"'
    if index % 4:
        optional += f',"is_employee":{"true" if index % 4 == 1 else "false"}'
    if index % 5:
        optional += f',"is_super_admin":{"true" if index == 1 else "false"}'
    if index % 6:
        optional += f',"invitation_type":"{"email" if index % 6 == 3 else ""}"'
    name = f"{FIRST_NAMES[index % len(FIRST_NAMES)]} {LAST_NAMES[index // 2 % len(LAST_NAMES)]} {index + 1}"
    return (
        f'{{"user_id":"{world.key("users", index)}","role_id":"9820000000006{len(role):02d}","name":{quote(name)},'
        f'"email":"user{index + 1}@example.com","user_role":"{role}","user_type":"zoho",'
        f'"status":"{USER_STATUSES[index % len(USER_STATUSES)]}","is_current_user":{"true" if index == 0 else "false"},'
        f'"photo_url":"https://contacts.example.com/file?t=user&ID={index + 1}&fs=thumb",'
        f'"is_customer_segmented":false,"is_vendor_segmented":false{optional}}}'
    )


def contact_row(world: World, index: int) -> str:
    """Return the wire text of one contact; a customer's balances are the sums over its documents."""
    bits = world.draw(RESOURCE_CODES["contacts"], index)
    created = world.position(index, world.counts.get("contacts", 0))
    modified = world.modified_position(created, bits)
    name = quote(world.contact_name(index))
    is_vendor = world.is_vendor(index)
    currency = world.currency_of_contact(index)
    days, terms = PAYMENT_TERMS[bits >> 8 & 3]
    kind = "vendor" if is_vendor else "customer"
    portal = "enabled" if bits >> 10 & 3 == 0 else "disabled"
    return (
        f'{{"contact_id":"{world.key("contacts", index)}","contact_name":{name},"customer_name":{name},'
        f'"vendor_name":{name},"company_name":{name if index % 3 else NOTHING},"website":{_website(index, bits)},'
        f'"language_code":"{"en" if bits & 32 else ""}","language_code_formatted":"{"English" if bits & 32 else ""}",'
        f'"contact_type":"{kind}","contact_type_formatted":"{kind.capitalize()}",'
        f'"status":"{"inactive" if bits % 17 == 0 else "active"}",'
        f'"customer_sub_type":"{"business" if index % 3 else "individual"}",'
        f'"source":"{"csv" if bits & 64 else "user"}",'
        f'"is_linked_with_zohocrm":false,"payment_terms":{days},"payment_terms_id":"4815000000000066{days + 100:03d}",'
        f'"payment_terms_label":"{terms}","currency_id":"{currency.currency_id}","currency_code":"{currency.code}",'
        f'"twitter":"","facebook":"",{_balances(world, index)},{_person(index, bits)},'
        f'"portal_status":"{portal}","portal_status_formatted":"{portal.capitalize()}",'
        f'"created_time":"{world.stamp(created)}","created_time_formatted":"{world.formatted_date(created)}",'
        f'"last_modified_time":"{world.stamp(modified)}",'
        f'"last_modified_time_formatted":"{world.formatted_date(modified)}",{_custom_fields(index)},'
        f'"contactperson_custom_fields":[],"ach_supported":false,'
        f'"has_attachment":{"true" if bits & 768 == 0 else "false"}{_tax_registration(index)}}}'
    )


NOTHING = '""'


def _website(index: int, bits: int) -> str:
    if index % 97 == 13:  # JSON null is rare, but it happens
        return "null"
    return f'"https://www{index + 1}.example.com"' if bits & 16 else NOTHING


def _balances(world: World, index: int) -> str:
    owed = unused = 0
    if not world.is_vendor(index):
        owed, unused = outstanding_cents(world, index), unused_credit_cents(world, index)
    to_base = world.currency_of_contact(index).to_base_cents
    return (
        f'"outstanding_receivable_amount":{render_cents(owed)},'
        f'"outstanding_receivable_amount_bcy":{render_cents(to_base(owed))},'
        f'"unused_credits_receivable_amount":{render_cents(unused)},'
        f'"unused_credits_receivable_amount_bcy":{render_cents(to_base(unused))}'
    )


def _person(index: int, bits: int) -> str:
    first, last = FIRST_NAMES[index % len(FIRST_NAMES)], LAST_NAMES[index % len(LAST_NAMES)]
    if bits >> 14 & 3 == 0:
        first = last = ""
    return (
        f'"first_name":{quote(first)},"last_name":{quote(last)},'
        f'"email":"{f"billing{index + 1}@example.com" if bits >> 16 & 3 else ""}",'
        f'"phone":"{f"+49 30 55{index:05d}" if bits >> 18 & 1 else ""}","mobile":""'
    )


def _custom_fields(index: int) -> str:
    """Return the three shapes in which the API repeats a custom field, or their empty forms."""
    if index % 5:
        return '"custom_fields":[],"custom_field_hash":{}'
    region = quote(REGIONS[index // 5 % len(REGIONS)])
    return (
        f'"custom_fields":[{{"index":1,"label":"Region","api_name":"cf_region","data_type":"string",'
        f'"value":{region}}}],'
        f'"custom_field_hash":{{"cf_region":{region},"cf_region_unformatted":{region}}},'
        f'"cf_region":{region},"cf_region_unformatted":{region}'
    )


def _tax_registration(index: int) -> str:
    if index % 11:
        return ""
    return (
        f',"pan_no":"ABCDE{index % 10000:04d}F","registration_details":{{"tax_registration_no":"GB{index:09d}"}},'
        f'"gst_no":"27ABCDE{index % 10000:04d}F1Z5","gst_treatment":"business_gst","place_of_contact":"MH"'
    )
