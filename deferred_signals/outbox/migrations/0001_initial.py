"""Make the tables, with their indexes for each kind of database."""

from django.db import migrations, models

from deferred_signals.outbox.indexes import prepare, unprepare


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='OutboxMessage',
            fields=[
                ('id', models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ('receiver', models.CharField(max_length=255)),
                ('subject', models.CharField(blank=True, default='', help_text='Label and key of the first row that the message refers to.', max_length=255)),
                ('payload', models.TextField(help_text='The message, as it was sent.')),
                ('options', models.TextField(blank=True, default='', help_text="JSON of what the message is published with beside its receiver's own options.")),
                ('attempt', models.PositiveIntegerField(default=0, help_text='Runs that were begun.')),
                ('position', models.PositiveIntegerField(default=0, help_text='Its place in its transaction.')),
                ('created_at', models.DateTimeField()),
                ('due_at', models.DateTimeField(blank=True, help_text='None where it is dead.', null=True)),
                ('expires_at', models.DateTimeField(blank=True, null=True)),
                ('dead_at', models.DateTimeField(blank=True, null=True)),
                ('woken_at', models.DateTimeField(blank=True, help_text='When a wake-up for it was published that is not used yet.', null=True)),
                ('claimed_by', models.CharField(blank=True, max_length=255, null=True)),
                ('claimed_at', models.DateTimeField(blank=True, null=True)),
                ('order_key', models.CharField(blank=True, max_length=32, null=True)),
                ('running_key', models.CharField(blank=True, max_length=32, null=True)),
                ('error', models.TextField(blank=True, default='')),
            ],
            options={
                'verbose_name': 'durable message',
            },
        ),
        migrations.CreateModel(
            name='PausedReceiver',
            fields=[
                ('receiver', models.CharField(max_length=255, primary_key=True, serialize=False)),
                ('paused_at', models.DateTimeField()),
                ('paused_by', models.CharField(blank=True, default='', help_text='Who paused it; empty for a command.', max_length=255)),
            ],
            options={
                'verbose_name': 'paused receiver',
            },
        ),
        # MySQL and MariaDB alter no table inside a transaction; elsewhere the migration is one.
        migrations.RunPython(prepare, unprepare, atomic=False),
    ]
