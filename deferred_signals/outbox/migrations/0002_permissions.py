"""Declare the permissions of the admin, and the model that stands for the map of receivers."""

from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('deferred_signals_outbox', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Receiver',
            fields=[
            ],
            options={
                'verbose_name': 'receiver',
                'permissions': (('pause_receiver', 'Can pause and resume receivers'),),
                'proxy': True,
                'default_permissions': ('view',),
                'indexes': [],
                'constraints': [],
            },
            bases=('deferred_signals_outbox.pausedreceiver',),
        ),
        migrations.AlterModelOptions(
            name='outboxmessage',
            options={'default_permissions': ('view',), 'permissions': (('view_outboxmessage_values', 'Can view the values of durable messages'), ('replay_outboxmessage', 'Can replay dead letters'), ('discard_outboxmessage', 'Can discard dead letters'), ('cancel_outboxmessage', 'Can cancel durable messages')), 'verbose_name': 'durable message'},
        ),
        migrations.AlterModelOptions(
            name='pausedreceiver',
            options={'default_permissions': (), 'verbose_name': 'paused receiver'},
        ),
    ]
