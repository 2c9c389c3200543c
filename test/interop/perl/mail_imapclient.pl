#!/usr/bin/perl
# test/interop/perl/mail_imapclient.pl PORT imaps|starttls CA ACCOUNT - what Mail::IMAPClient does with an account; "name value" lines.
use strict;
use warnings;
use Mail::IMAPClient;

my ($port, $tls, $ca, $account) = @ARGV;
my $options = [ SSL_ca_file => $ca, SSL_verifycn_name => 'localhost', SSL_verify_mode => 1 ];
my $c = Mail::IMAPClient->new(
	Server => 'localhost', Port => $port, User => "$account\@demo.test", Password => 'demo', Uid => 1, Timeout => 20, Peek => 1,
	$tls eq 'imaps' ? (Ssl => $options) : (Starttls => $options)) or die "login: $@";

sub say_ { print join(' ', @_), "\n" }
sub need { my ($what, @got) = @_; die "$what: " . $c->LastError . "\n" unless @got && defined $got[0]; return wantarray ? @got : $got[0] }

say_('capability', join ',', sort { $a cmp $b } map { uc } $c->capability);
need('create', $c->create('perl/one'));
need('create', $c->create('perl/two'));
need('subscribe', $c->subscribe('perl/two'));
say_('folders', join ',', sort($c->folders));
say_('subscribed', join ',', sort($c->subscribed('perl')));
my @uids;
for my $n (1 .. 5) {
	my $uid = need('append', $c->append_string('perl/one', "From: a\@b.test\r\nSubject: number $n\r\n\r\nbody $n\r\n",
		$n % 2 ? '\Seen' : '\Flagged', '17-Jul-1996 02:44:25 -0700'));
	push @uids, $uid;
}
say_('uids', @uids);
need('select', $c->select('perl/one'));
say_('count', $c->message_count('perl/one'), $c->unseen_count('perl/one'));
say_('uidnext', $c->uidnext('perl/one'));
say_('search', $c->search('SUBJECT', 'number 3'), $c->search('FLAGGED'));
my $h = $c->fetch_hash('FLAGS', 'RFC822.SIZE', 'INTERNALDATE');
say_('sizes', join ',', map { $h->{$_}{'RFC822.SIZE'} } sort { $a <=> $b } keys %$h);
my $headers = need('headers', $c->parse_headers($uids[1], 'Subject', 'From'));
say_('subject', $headers->{Subject}[0]);
say_('body', $c->body_string($uids[0]) =~ s/\s+$//r);
say_('structure', $c->get_bodystructure($uids[0])->bodytype);
say_('envelope', $c->get_envelope($uids[2])->subject);
need('see', $c->see($uids[1]));
need('flag', $c->store($uids[0], '+FLAGS', '(\Answered work)'));
say_('flags', join ',', sort $c->flags($uids[0]));
say_('copied', need('copy', $c->copy('perl/two', "$uids[0],$uids[1]")));
say_('moved', need('move', $c->move('perl/two', $uids[2])));
need('expunge', $c->expunge);
say_('left', $c->message_count('perl/one'));
say_('two', $c->message_count('perl/two'));
need('delete', $c->delete_message($uids[4]));
need('uidexpunge', $c->uidexpunge($uids[4]));
say_('after', scalar(@{ $c->messages }));
my @quota = $c->getquotaroot('INBOX');
say_('quota', grep { s/[\r\n]+$//; /^\* QUOTA / } @quota);
need('idle', my $tag = $c->idle);
need('done', $c->done($tag));
need('rename', $c->rename('perl/two', 'perl/three'));
say_('status', $c->status('perl/three', 'MESSAGES') ? $c->message_count('perl/three') : 'none');
need('close', $c->close);
need('delete', $c->delete('perl/one'));
say_('exists', ($c->exists('perl/one') ? 1 : 0), ($c->exists('perl/three') ? 1 : 0));
need('logout', $c->logout);
