"""What the shop can do; the page that shows all of it is the app `demo_site.live`'s."""

from django.contrib.auth.views import LogoutView
from django.urls import path

from demo_site.shop import views

urlpatterns = [
    path("orders/", views.place, name="place"),
    path("orders/<uuid:order_id>/ship/", views.ship, name="ship"),
    path("login/", views.Login.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
]
