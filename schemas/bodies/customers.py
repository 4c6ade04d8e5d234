"""Customers without a login, as admins make and see them."""

from schemas.bodies.fields import Answer, Body, DecimalText, Moment, NotNegativeNumber, PrintedText


class NewCustomer(Body):
    name: PrintedText
    balance: NotNegativeNumber = "100.00"


class Customer(Answer):
    id: int
    name: str
    balance: DecimalText
    created_at: Moment
