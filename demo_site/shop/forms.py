"""The form that places an order."""

from django import forms

from demo_site.shop.models import Product


class OrderForm(forms.Form):
    """The fields that a customer fills in; the shop knows the price."""

    product = forms.ChoiceField(choices=Product.choices)
    quantity = forms.IntegerField(min_value=1, max_value=20, initial=1)
    payment_fails = forms.BooleanField(required=False)
