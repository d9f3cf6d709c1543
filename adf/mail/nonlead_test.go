package mail_test

import (
	"testing"

	"leadfloor/adf/mail"
)

// nonLeads are mails without a lead in them that look like one in some way.
var nonLeads = []struct {
	name string
	raw  string
}{
	{"empty", ""},
	{"header alone", "From: a@b.example\r\nSubject: hello\r\n"},
	{"subject alone", "From: leads@source.example\r\nTo: sales@store.example\r\nSubject: New lead: Ada Lovell, 555-010-0123, 2019 Honda Civic <adf>\r\n\r\n"},
	{"newsletter", `From: News <news@autotrader.com>
To: sales@store.example
Subject: March market report
List-Unsubscribe: <https://autotrader.com/u>
Content-Type: text/html

<html><body><h1>Used car prices fell 2 %</h1><p>The 2021 Ford F-150 held its value best.</p>
<p>Questions? Phone: 800-555-0100<br>Email: support@autotrader.com</p><p>Unsubscribe</p></body></html>`},
	{"invoice", `From: billing@shop.example
To: owner@gmail.example
Subject: Invoice 20391 for your Honda Civic

Invoice Number: 20391
Customer Name: Ada Lovell
Phone: 555-010-0123
Email: ada@example.com
Vehicle: 2019 Honda Civic
VIN: 2HGFC2F59KH500001
Amount Due: $412.10
Due Date: 03/20/2026
`},
	{"repair order", `From: service@dealer.example
To: desk@store.example
Subject: RO 88123 closed

RO Number: 88123
Technician: 14
Customer: Ada Lovell
Phone: 555-010-0123
Year: 2019
Make: Honda
Model: Civic
Mileage: 44,120
`},
	{"order receipt", `From: orders@parts.example
To: parts@store.example
Subject: Order confirmation

Order Number: 5511
Ship To: Ada Lovell
Name: Ada Lovell
Phone: 555-010-0123
Email: ada@example.com
Item: Brake pads, 2019 Honda Civic
Subtotal: $88.00
Total: $95.04
Note: leave at the door
`},
	{"verification code", `From: no-reply@account.example
To: sales@store.example
Subject: Your verification code

Verification Code
To verify your account, enter this code:
481516
`},
	{"out of office", `From: Ada Lovell <ada@example.com>
To: sales@store.example
Subject: Automatic reply: Your Honda Civic
Auto-Submitted: auto-replied

I am away until Monday.

Ada Lovell
Phone: 555-010-0123
Email: ada@example.com

-----Original Message-----
From: sales@store.example
Subject: Your Honda Civic

Name: Ada Lovell
Phone: 555-010-0123
Vehicle: 2019 Honda Civic
Comments: Is it still there?
`},
	{"bounce", `From: MAILER-DAEMON@mx.example
To: sales@store.example
Subject: Undelivered Mail Returned to Sender
Return-Path: <>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

The mail could not be delivered to ada@example.com.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; ada@example.com
Action: failed
Status: 5.1.1
--b
Content-Type: message/rfc822

From: sales@store.example
To: ada@example.com
Subject: Your enquiry

Name: Ada Lovell
Phone: 555-010-0123
Vehicle: 2019 Honda Civic
Comments: Thank you for asking.
--b--
`},
	{"read receipt", `From: Ada Lovell <ada@example.com>
To: sales@store.example
Subject: Read: Your Honda Civic
MIME-Version: 1.0
Content-Type: multipart/report; report-type=disposition-notification; boundary="b"

--b
Content-Type: text/plain

Your message was read.
Phone: 555-010-0123
--b
Content-Type: message/disposition-notification

Final-Recipient: rfc822; ada@example.com
Disposition: manual-action/MDN-sent-manually; displayed
--b--
`},
	{"reply with quoted labels", `From: Ada Lovell <ada@example.com>
To: sales@store.example
Subject: Re: Lead Submission from CarGurus
In-Reply-To: <5@store.example>

Yes, Saturday at ten is fine.

On Mon, Mar 2, 2026 at 10:11 AM Sales <sales@store.example> wrote:
> First Name: Ada
> Last Name: Lovell
> Email: ada@example.com
> Telephone: 555-010-0123
> Vehicle: 2019 Honda Civic
> Comments: Is it still there?
`},
	{"reply with labels unquoted", `From: Ada Lovell <ada@example.com>
To: sales@store.example
Subject: RE: Lead Submission from CarGurus

Yes, Saturday.

-----Original Message-----
From: dealer-leads@messages.cargurus.com
Sent: Monday
To: sales@store.example
Subject: Lead Submission from CarGurus

Contact:
First Name: Ada
Email: ada@example.com
Telephone: 555-010-0123
Vehicle: 2019 Honda Civic
`},
	{"first mail of a person", `From: Ada Lovell <ada@example.com>
To: sales@store.example
Subject: Civic

Hello, do you still have the blue 2019 Honda Civic? You can reach me under 555-010-0123 in the evening.

Ada
`},
	{"signature", `From: Sam Porter <sam@auctions.example>
To: manager@store.example
Subject: Thursday

See you on Thursday.

Sam Porter
Regional Manager
Phone: 555-010-0144
Email: sam@auctions.example
`},
	{"calendar invitation", `From: Sam Porter <sam@vendor.example>
To: manager@store.example
Subject: Invitation: product demo
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary="b"

--b
Content-Type: text/plain

When: Thursday 10:00
Where: Online
Organizer: Sam Porter
Phone: 555-010-0144
Email: sam.porter@vendor.example
Notes: the car of the future
--b
Content-Type: text/calendar; method=REQUEST

BEGIN:VCALENDAR
METHOD:REQUEST
BEGIN:VEVENT
SUMMARY:product demo
END:VEVENT
END:VCALENDAR
--b--
`},
	{"auction listing", `From: runlist@auction.example
To: buyer@store.example
Subject: Vehicles in Thursday's sale

Vehicle: 2019 Honda Civic
VIN: 2HGFC2F59KH500001
Lane: 4
Run Number: 112

Seller:
Name: Harbor Fleet
Phone: 555-010-0177
Email: fleet@harbor.example
`},
	{"inventory report", `From: feed@inventory.example
To: sales@store.example
Subject: Inventory import finished

Imported: 112
Stock Number: P7056
Year: 2014
Make: GMC
Model: Sierra
Price: 8999
`},
	{"delivery note", `From: tracking@parcel.example
To: parts@store.example
Subject: Your parcel is on its way

Tracking Number: 1Z999
Shipping Address: 1 Main St
Phone: 555-010-0123
Name: Ada Lovell
`},
	{"subscriber", `From: forms@store.example
To: sales@store.example
Subject: New newsletter subscriber

Email: ada@example.com
`},
	{"voicemail", `From: voicemail@pbx.example
To: sales@store.example
Subject: Voicemail from 555-010-0123

Caller: 555-010-0123
Duration: 0:34
Received: 10:11 AM
`},
	{"review", `From: reviews@ratings.example
To: manager@store.example
Subject: You have a new review

Reviewer: Ada L.
Rating: 5 of 5
Review: Bought a 2019 Honda Civic, good people.
`},
	{"support ticket", `From: support@crm.example
To: manager@store.example
Subject: Ticket 4411 updated

Ticket ID: 4411
Priority: High
Name: Ada Lovell
Email: ada@example.com
Comment: The export of vehicles fails.
`},
	{"password reset", `From: no-reply@crm.example
To: manager@store.example
Subject: Reset your password

Username: manager
Email: manager@store.example
`},
	{"payment", `From: service@pay.example
To: sales@store.example
Subject: You received a payment

Name: Ada Lovell
Email: ada@example.com
Payment ID: 22
Amount: $500.00
Message: deposit for the Civic
`},
	{"booking", `From: noreply@hotel.example
To: manager@store.example
Subject: Your reservation

Guest Name: Ada Lovell
Phone: 555-010-0123
Check in: Thursday
Check out: Friday
Message: late arrival
`},
	{"dealer's own blast", `From: Main Street Motors <sales@store.example>
To: ada@example.com
Subject: Your new Honda

Vehicle: 2019 Honda Civic
Price: $18,995
Dealer: Main Street Motors
Phone: 555-010-0166
Email: sales@store.example
`},
	{"labels without values", `From: forms@store.example
To: sales@store.example
Subject: Form

Name:
Email:
Phone:
Message:
`},
	{"noreply as the address", `From: forms@store.example
To: sales@store.example
Subject: Form

Name: Test
Email: noreply@store.example
Message: hello
`},
	{"code about prospects", `From: dev@vendor.example
To: manager@store.example
Subject: integration

Our export has the columns adf and prospect. &amp; we call them adf; the prospects follow.
`},
	{"invoice of a source of leads", `From: billing@truecar.com
To: owner@store.example
Subject: Your statement

Invoice Number: 20391
Customer Name: Main Street Motors
Phone: 555-010-0123
Email: owner2@store.example
Amount Due: $1,412.10
Due Date: 03/20/2026
`},
	{"report of a source of leads", `From: reports@callrail.com
To: owner@store.example
Subject: Your weekly call report

Calls this week: 41
First-time callers: 17
Source: Google Ads
Questions? Phone: 888-555-0100
`},
	{"newsletter of a source of leads", `From: news@edmunds.com
To: owner@store.example
Subject: What shoppers want

New leads from Edmunds are up 4 %. See the 2026 Toyota Camry.
Contact us: support@edmunds.com, 888-555-0101
Unsubscribe
`},
	{"text about leads without a header", "How to get more leads from CarGurus\n\nQuestions? Call 888-555-0102 or write to help@vendor.example.\n"},
	{"missed call of a pbx", `From: pbx@store.example
To: sales@store.example
Subject: Missed call

Caller ID: 555-010-0123
Extension: 14
Time: 10:11
`},
	{"task of a crm", `From: crm@crm.example
To: sam@store.example
Subject: Task due: call Ada Lovell

Task: Call
Customer: Ada Lovell
Phone: 555-010-0123
Vehicle: 2019 Honda Civic
Due: today
`},
	{"advice about leads", `From: coach@vendor.example
To: owner@store.example
Subject: Five ways to more internet leads

Every new lead counts.
Phone: 888-555-0103
Email: coach@vendor.example
`},
	{"job application", `From: jobs@board.example
To: manager@store.example
Subject: New applicant

Applicant: Ada Lovell
Position: Salesperson
Phone: 555-010-0123
Email: ada@example.com
Resume: attached
`},
	{"broken html", "From: a@b.example\r\nContent-Type: text/html\r\n\r\n<table><tr><td>Name<td>Email<tr><td><a href=\"mailto:\"></a>"},
}

func TestNonLeads(t *testing.T) {
	if len(nonLeads) < 25 {
		t.Fatalf("%d mails, want at least 25", len(nonLeads))
	}
	for _, c := range nonLeads {
		t.Run(c.name, func(t *testing.T) {
			for _, raw := range []string{c.raw, crlf(c.raw)} {
				m := mail.Read([]byte(raw), mail.Options{})
				if m.Kind != mail.None || m.Suspect != "" || len(m.Prospects) != 0 {
					t.Errorf("Read:\n%swant kind none, without suspect", summary(m))
				}
			}
		})
	}
}
