"""The shop's pages."""

from django.contrib.auth.views import LogoutView
from django.urls import path

from demo_site.shop import views

urlpatterns = [
    path("", views.home, name="home"),
    path("board/", views.board, name="board"),
    path("orders/", views.place, name="place"),
    path("orders/<uuid:order_id>/ship/", views.ship, name="ship"),
    path("login/", views.Login.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
]
