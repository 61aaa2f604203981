"""The page and its buttons."""

from django.urls import path

from demo_site.live import metrics, views

urlpatterns = [
    path("", views.home, name="home"),
    path("board/", views.board, name="board"),
    path("metrics/", metrics.metrics, name="metrics"),
    path("gateway/", views.gateway, name="gateway"),
    path("broker/", views.broker, name="broker"),
    path("replay/<uuid:message_id>/", views.replay_letter, name="replay"),
]
